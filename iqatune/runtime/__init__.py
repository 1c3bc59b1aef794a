"""The machine: files, memory, threads, a cluster, worker processes."""
