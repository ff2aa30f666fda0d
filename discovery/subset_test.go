package discovery_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/discovery"
)

func many(n int) (list []discovery.Endpoint) {
	for i := range n {
		list = append(list, endpoint(fmt.Sprintf("10.0.%d.%d:80", i/256, i%256), 0))
	}
	return list
}

// set returns the first set that a resolver yields.
func set(t *testing.T, r discovery.Resolver) []discovery.Endpoint {
	t.Helper()
	for endpoints, err := range r.Watch(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		return endpoints
	}
	return nil
}

// grpc-go #6370, proposal #383: a client opens k connections at most, and one change
// of the servers changes at most one of them.
func TestSubsetChangesByOne(t *testing.T) {
	all := many(100)
	for seed := range uint64(20) {
		before := set(t, discovery.Subset(discovery.Endpoints(all...), 10, seed))
		if len(before) != 10 {
			t.Fatalf("%d of 10", len(before))
		}
		for i := range all {
			after := set(t, discovery.Subset(discovery.Endpoints(slices.Delete(slices.Clone(all), i, i+1)...), 10, seed))
			gone := 0
			for _, e := range before {
				if !slices.ContainsFunc(after, e.Equal) {
					gone++
				}
			}
			if gone > 1 {
				t.Fatalf("without %d, %d of the subset are others", i, gone)
			}
		}
	}
}

// E21: with balanced subsets each server has as many clients as any other.
func TestBalancedSubsetsAreBalanced(t *testing.T) {
	for _, c := range []struct{ servers, clients, k int }{{300, 300, 30}, {100, 77, 20}, {10, 1000, 3}, {7, 50, 5}} {
		load := map[string]int{}
		for i := range c.clients {
			subset := set(t, discovery.BalancedSubset(discovery.Endpoints(many(c.servers)...), c.k, i))
			distinct := map[string]bool{}
			for _, e := range subset {
				load[e.Addr]++
				distinct[e.Addr] = true
			}
			if len(subset) != c.k || len(distinct) != c.k {
				t.Fatalf("client %d has %d endpoints, %d of them distinct, want %d", i, len(subset), len(distinct), c.k)
			}
		}
		mean := float64(c.clients*c.k) / float64(c.servers)
		variance := 0.0
		for _, e := range many(c.servers) {
			variance += math.Pow(float64(load[e.Addr])-mean, 2) / float64(c.servers)
		}
		if sd := math.Sqrt(variance); sd > 1 {
			t.Errorf("%+v: %.1f clients for each server, standard deviation %.2f, want at most 1", c, mean, sd)
		}
	}
}

func TestFileIsReadInBothForms(t *testing.T) {
	want := []discovery.Endpoint{
		{Addr: "10.0.0.1:8080"}, {Addr: "10.0.0.2:8080", Weight: 3, Zone: "eu-1a", Priority: 1, Key: "b"},
	}
	withMeta := slices.Clone(want)
	withMeta[1].Metadata = map[string]string{"rack": "7"}
	for text, want := range map[string][]discovery.Endpoint{
		"# all\n10.0.0.1:8080\n\n 10.0.0.2:8080 weight=3 zone=eu-1a\tpriority=1 key=b # big\n":                                             want,
		`["10.0.0.1:8080", {"addr": "10.0.0.2:8080", "weight": 3, "zone": "eu-1a", "priority": 1, "key": "b", "metadata": {"rack": "7"}}]`: withMeta,
		`{"endpoints": [{"addr": "10.0.0.1:8080"}, {"addr": "10.0.0.2:8080", "weight": 3, "zone": "eu-1a", "priority": 1, "key": "b"}]}`:   want,
		"": {},
	} {
		path := filepath.Join(t.TempDir(), "endpoints")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := set(t, discovery.File(path, 0)); !reflect.DeepEqual(got, want) && len(got)+len(want) > 0 {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"a:1\nb:2 weight=many":           "line 2: weight: many is no number",
		"a:1 wait=3":                     "line 1: wait is no field: use weight",
		"a:1 weight":                     "write name=value",
		"a:1 priority=-1":                "line 1: priority: -1 is below 0",
		`[{"addr": ""}]`:                 "[0].addr: it must be there",
		`[{"adr": "a:1"}]`:               `unknown field "adr"`,
		`{"endpoint": []}`:               `unknown field "endpoint"`,
		`[`:                              "unexpected EOF",
		`[{"addr": "a", "weight": "3"}]`: "weight",
	} {
		path := filepath.Join(t.TempDir(), "endpoints")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, err := range discovery.File(path, 0).Watch(t.Context()) {
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%q: %v, want %q", text, err, want)
			}
			break
		}
	}
}

func TestAFileThatIsReplacedIsReadAgain(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "endpoints")
	synctest.Test(t, func(t *testing.T) {
		n := 0
		put := func(text string) { // as kubernetes does
			n++
			file := fmt.Sprintf("%s.%d", path, n)
			for _, err := range []error{os.WriteFile(file, []byte(text), 0o600), os.Symlink(file, path+".new"), os.Rename(path+".new", path)} {
				if err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(5 * time.Second)
			synctest.Wait()
		}
		s, stop := watch(t, discovery.File(path, time.Second))
		defer stop()
		put("a:1\nb:1")
		put("a:1\nb:1 weight=x")
		put("c:1")
		if len(s.sets) != 2 || s.last() != "c:1" || len(s.errs) < 2 {
			t.Errorf("%v %v", s.sets, s.errs)
		}
	})
}
