"""FLOOR 4: what do we see? Figures, widgets and labs; they draw what the floors below compute."""
