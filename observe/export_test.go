package observe

// Said is how many things l remembers to have said.
func (l *Log) Said() int { return len(l.said) }
