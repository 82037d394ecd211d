"""What operators watch: logs, metrics, reports of errors."""
