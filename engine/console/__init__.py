"""What people see of a run: the status page, the live view, the halt flag."""
