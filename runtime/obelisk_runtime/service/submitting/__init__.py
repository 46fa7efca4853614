"""How clients submit executions: the terms, many at once, and when no more are taken on."""
