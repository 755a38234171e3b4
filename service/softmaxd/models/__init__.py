"""The models that are served: version folders, their manifests, engines and batches.

Knows neither HTTP nor metrics. Imports `numerics`, `settings` and `errors`.
"""
