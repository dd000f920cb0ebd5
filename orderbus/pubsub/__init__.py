"""The way out to Google Pub/Sub and back: all of Google's client."""
