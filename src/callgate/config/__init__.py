"""callgate.yaml: text → located tree → `ServeConfig`. Reads and checks; opens nothing and starts nothing."""
