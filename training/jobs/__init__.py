"""Runs: submit, claim, supervise the engine as a child process, heartbeat, reap, cancel."""
