"""What the library is compared with: it shares no formula with it."""
