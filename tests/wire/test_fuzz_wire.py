"""The fuzzer, for as long as a test may take."""

from fuzz_frames import test_mutated_frames_do_not_break_the_readers

__all__ = ["test_mutated_frames_do_not_break_the_readers"]
