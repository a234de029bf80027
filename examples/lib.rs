//! What the examples share. Each example is a program of its own: start with `quickstart`.
