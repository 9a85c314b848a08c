"""The engine: reads the spec, builds, verifies and writes; what is recorded and shown lives in rules and dashboards."""
