"""What several tests share: real processes and raw frames. Asserts nothing."""
