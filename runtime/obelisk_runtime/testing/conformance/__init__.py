"""The conformance kit of the store contract (`ports.store`).

    pytest --pyargs obelisk_runtime.testing.conformance --backend module:factory

`factory` is a `testing.backends.Backend` or a function like `testing.backends.Open`. An adapter is done when it passes.
"""
