package holdfasttest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/holdfast-go/holdfast"
)

// Verify reports each sentence of the contract that a policy broke with the
// calls that the Script served. results are what all those calls returned. It
// is for after the calls, when what they left behind has had its chance to go
// (in a bubble: after synctest.Wait):
//
//   - each Result is one of those that came from below, unchanged, or has an Err
//     and no Reply;
//   - every other Reply was Discarded once, and those returned were not;
//   - no Call was sent twice, and each sending was made by Again;
//   - nothing that the Call says, and no value of the caller's context, was
//     changed or hidden;
//   - each attempt had returned; the contexts derived for calls whose Reply has
//     ended, or that have none, were let go of, and those of Replies that are
//     still open were not;
//   - where the caller's context has ended, so have those of the attempts.
//
// What it has told it does not tell again.
func (s *Script) Verify(t testing.TB, results ...holdfast.Result) {
	t.Helper()
	s.verify(t, false, results...)
}

// verify keeps what it knows, to verify again, where a Reply is yet to end.
func (s *Script) verify(t tb, again bool, results ...holdfast.Result) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, wrong := range s.wrong {
		t.Errorf("%s", wrong)
	}
	returned := map[holdfast.Reply]bool{}
	for _, res := range results {
		for _, wrong := range s.judge(res, returned) {
			t.Errorf("%s", wrong)
		}
	}
	open := map[*holdfast.Record]bool{} // calls whose Reply is still being read
	for _, x := range s.sendings {
		s.verifySending(t, x, returned, open)
	}
	for _, c := range s.callers {
		if n := c.left(); n > 0 && !open[c.was.Record] {
			t.Errorf("%d contexts derived from the caller's were not let go of when the call was over", n)
		}
	}
	s.wrong = nil
	if again {
		return
	}
	for _, c := range s.callers {
		c.release()
	}
	s.callers, s.sendings, s.seen = nil, nil, nil
}

// judge tells what is wrong with a Result, and notes its Reply.
func (s *Script) judge(res holdfast.Result, returned map[holdfast.Reply]bool) (wrong []string) {
	if res.Reply == nil {
		if res.Err == nil {
			wrong = append(wrong, "a Result was returned with neither a Reply nor an error")
		}
		if res.Attempt != 0 && !s.came(res) {
			wrong = append(wrong, fmt.Sprintf("the Result of attempt %d was changed on its way up, or never came: {%v %s}; one that a policy makes has no Attempt", res.Attempt, res.Class, res.Code))
		}
		return wrong
	}
	if res.Err != nil {
		wrong = append(wrong, "a Result was returned with both a Reply and an error")
	}
	if returned[res.Reply] {
		wrong = append(wrong, "one Reply was returned from two calls")
	}
	returned[res.Reply] = true
	for _, x := range s.sendings {
		if x.Result.Reply != res.Reply {
			continue
		}
		was := x.Result
		if res.Class != was.Class || res.Code != was.Code || res.After != was.After {
			wrong = append(wrong, "a Result was changed on its way up: {"+was.Class.String()+" "+string(was.Code)+"} became {"+res.Class.String()+" "+string(res.Code)+"}, or its After differs")
		}
		return wrong
	}
	return append(wrong, "a Reply was returned that was not received: "+reflect.TypeOf(res.Reply).String()+"; only doors make Replies")
}

// came reports whether an attempt has come to the error of res, as it is judged there.
func (s *Script) came(res holdfast.Result) bool {
	return slices.ContainsFunc(s.sendings, func(x *Sending) bool {
		return x.attempt == res.Attempt && x.Result.Reply == nil && x.Result.Class == res.Class && x.Result.Code == res.Code && x.Result.After == res.After
	})
}

func (s *Script) verifySending(t tb, x *Sending, returned map[holdfast.Reply]bool, open map[*holdfast.Record]bool) {
	t.Helper()
	if x.End.IsZero() {
		t.Errorf("attempt %d is still under way though its call has returned", x.attempt)
	}
	if c, ok := x.ctx.Value(callerKey{}).(*caller); ok && c.Err() != nil && x.ctx.Err() == nil {
		t.Errorf("the context of attempt %d does not end with the caller's", x.attempt)
	}
	reply, ok := x.Result.Reply.(*Reply)
	if !ok {
		return
	}
	switch n := reply.Discards(); {
	case returned[reply]:
		if n > 0 {
			t.Errorf("the Reply that was returned was Discarded")
		}
		if !reply.Finished() {
			open[x.Call.Record] = true
			if x.ctx.Err() != nil {
				t.Errorf("the context of attempt %d ended when the call returned, and not with its Reply", x.attempt)
			}
		}
	case n == 0:
		t.Errorf("the Reply of attempt %d was neither returned nor Discarded", x.attempt)
	case n > 1:
		t.Errorf("the Reply of attempt %d was Discarded %d times", x.attempt, n)
	}
}
