"""What need not be computed twice: in a worker's memory, and in a Redis that all workers share."""
