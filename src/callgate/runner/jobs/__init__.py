"""The life of executions: accepting, queueing, taking up, running, ending, taking over what a lost worker left."""
