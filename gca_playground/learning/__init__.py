"""Floor 3: who makes the embedding?

Data (:mod:`.datasets`) gives two views of every point, an encoder (:mod:`.encoders`) turns views into
embeddings, and the floors below turn embeddings into a plan and a loss.
"""
