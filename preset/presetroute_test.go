package preset_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/preset"
)

// A route may be of any preset, within any other: what a preset says of the budget, which all routes
// share, is not asked for by whoever takes it for a route. What is written beside it is.
func TestARouteMayBeOfAnotherPreset(t *testing.T) {
	presets := map[string]func() preset.Config{"standard": preset.Standard, "conservative": preset.Conservative, "background": preset.Background}
	for outer, base := range presets {
		for inner, of := range presets {
			c, err := preset.Parse(fmt.Appendf(nil, `{"preset":%q,"routes":[{"match":"/x","preset":%q}]}`, outer, inner))
			if err != nil {
				t.Errorf("%s in %s: %v", inner, outer, err)
				continue
			}
			inCode := base()
			inCode.Routes = []preset.Route{{Match: []string{"/x"}, Config: of()}}
			text, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			again, err := preset.Parse(text)
			if err != nil {
				t.Errorf("%s in %s, written as %s: %v", inner, outer, text, err)
			}
			for how, c := range map[string]preset.Config{"read": c, "in code": inCode, "written and read": again} {
				s := stackOf(t, c)
				want := stackOf(t, base()).Budget().Options()
				if got := s.Budget().Options(); got != want {
					t.Errorf("%s in %s, %s: the budget is %+v, want %+v", inner, outer, how, got, want)
				}
				if strings.Contains(c.Describe(), "routes[0].budget") {
					t.Errorf("%s in %s, %s: a budget of a route's own:\n%s", inner, outer, how, c.Describe())
				}
				sent := 0
				h := holdfast.Chain(s)
				h(t.Context(), get(t, "GET http://users/x", func(ctx context.Context, call *holdfast.Call) holdfast.Result { sent++; return down(ctx, call) }))
				if most := min(of().Retry.MaxAttempts, want.Min+1); sent != most {
					t.Errorf("%s in %s, %s: %d attempts, want %d", inner, outer, how, sent, most)
				}
			}
		}
	}
	for text, bad := range map[string]bool{
		`{"routes":[{"match":"/x","preset":"conservative","budget":{"ratio":0.1}}]}`: true,
		`{"routes":[{"match":"/x","preset":"conservative","budget":{"ratio":0.2}}]}`: false,
		`{"routes":[{"match":"/x","preset":"conservative","budget":{"min":7}}]}`:     true,
	} {
		if _, err := preset.Parse([]byte(text)); (err != nil) != bad || bad && !strings.Contains(err.Error(), "routes[0].budget.") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
