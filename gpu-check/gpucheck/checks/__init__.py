"""The checks, by subject. Each one starts workers, asks them, and judges the replies."""
