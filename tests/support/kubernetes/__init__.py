"""The manifests of deploy/kubernetes: rendered by kubectl, and the schemas that they are checked against.

They need the environment of `make test-kubernetes`.
"""
