"""From a model's name to a local folder with checked weights."""
