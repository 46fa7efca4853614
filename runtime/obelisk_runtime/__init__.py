"""A durable-execution runtime for WebAssembly components."""
