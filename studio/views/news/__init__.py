"""What happened: the feed, notifications, webhooks."""
