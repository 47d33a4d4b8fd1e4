// An assembly file, though an empty one, lets poll.go declare functions of the
// runtime without a body.
