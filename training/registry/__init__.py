"""Models, their immutable versions, and the weights that each version stands for."""
