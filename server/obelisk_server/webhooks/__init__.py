"""The place of components that answer HTTP requests. Nothing is served here yet."""
