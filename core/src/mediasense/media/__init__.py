"""From a file to checked facts about it; nothing here knows a provider."""
