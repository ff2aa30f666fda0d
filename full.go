package holdfast

import (
	"context"
	"fmt"
	"log/slog"
)

// TellFull tells, as a "table_full", that calls find no room in a table of a policy: e has the
// Policy, the key as its Target, the Reason, and as its Detail what such calls go without; late
// is how many they were so far, and nothing is told where it is 0. It is called with no lock held,
// and what listeners take of the time of c is no server's.
func (c *Call) TellFull(ctx context.Context, e Event, late uint64) {
	if late == 0 || !c.Heard() {
		return
	}
	c.Waited()
	e.Kind, e.Level, e.Method, e.Detail = "table_full", slog.LevelWarn, c.Method, fmt.Sprintf("%s: %d so far", e.Detail, late)
	c.Tell(ctx, e)
}

// FullFigure is the Figure of how many calls found no room in a table of a policy; owner is what
// has the table.
func FullFigure(policy string, late uint64, owner any) Figure {
	return Figure{
		Name: "table_full_total", Help: "Calls whose key found no room in the table of the policy.", Kind: Counter,
		Labels: map[string]string{"policy": policy}, Value: float64(late), Owner: owner,
	}
}
