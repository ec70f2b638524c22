"""What the operating system gives: child processes, forks, files. Knows nothing of papers."""
