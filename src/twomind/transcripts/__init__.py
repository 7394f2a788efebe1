"""Every text format → words with their times; recognition of speech."""
