"""What a handler says in its `opt` about itself, where neither its signature nor its guard shows it."""

# Query parameters that it reads by itself: a map of names to types.
QUERY = "query"
# Statuses that it answers beside those that follow from its guard, its path and its body.
ERRORS = "errors"
# Other statuses of success, with the same body.
ALSO = "also"
# Other media types of the same answer, for whoever asks for them.
MEDIA = "media"
