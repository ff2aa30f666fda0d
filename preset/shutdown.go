package preset

import "context"

// Shutdown closes s and waits for the calls under way, until ctx is done: then they are ended,
// and it returns an error that says how many they were and is that of ctx. A call is under way
// until its answer is read to its end or closed.
//
// As soon as s is closed, calls that wait for a place, a token, an endpoint or a repeat come to an
// error that is holdfast.ErrClosed, and so do new ones, on all clients that use s; nothing is
// repeated or hedged any more; Update refuses. What s shares with others (a Budget, a
// loadbalance.Set) goes on. Shutdown may be called several times, also at once. Called by what a
// call itself runs, such as a callback, it waits for that call too; Close does not.
func (s *Stack) Shutdown(ctx context.Context) error {
	if !s.close() {
		return nil
	}
	return s.gate.Shutdown(ctx)
}

// Close is Shutdown that ends the calls under way at once and waits for nothing. It may be called
// from anywhere, several times, and after Shutdown. The error is always nil.
func (s *Stack) Close() error {
	if !s.close() {
		return nil
	}
	return s.gate.Close()
}

// OnClosed has f told when s is closed and has nothing under way any more, as that of a
// holdfast.Gate. A door asks for it.
func (s *Stack) OnClosed(f func()) {
	if s != nil && s.now() != nil {
		s.gate.OnClosed(f)
	}
}

// close refuses updates; false: there is nothing to close.
func (s *Stack) close() bool {
	if s == nil || s.now() == nil {
		return false
	}
	s.closed.Store(true) // without the lock: whom an Update tells of something may close s
	return true
}
