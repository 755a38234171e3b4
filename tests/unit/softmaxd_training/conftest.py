"""Sets TensorFlow up as `python -m training` does, before a test module imports it."""

import training  # noqa: F401 - for its environment variables
