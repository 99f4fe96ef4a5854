"""What operators see: metrics, traces, health. Observes; never decides and never delays."""
