"""From examples to answers: datasets, runs, models, deployments, and the pure engine."""
