"""The one-command stack: PostgreSQL, Valkey and SeaweedFS from wheels, supervised.

Nothing below this package imports Django, so that it can start before any settings exist.
`stack.Stack` runs the three servers, `supervisor` the platform's own processes.
"""
