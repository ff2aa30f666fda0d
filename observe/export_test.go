package observe

// Said is how many things a log remembers to have said.
func Said(o Observer) int { return len(o.(*log).said) }
