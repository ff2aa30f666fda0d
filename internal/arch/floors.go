package arch

import (
	"fmt"
	"slices"
	"strings"
)

// A place says what a package may stand on.
type place struct {
	floor int
	third []string // the third-party modules that it may import, as path prefixes
	tests []string // further ones that its tests may
	knows []string // of the packages on the policies' floor, where it may not know all; nil: all
}

// The floors. internal/* and holdfasttest stand beside the house.
const (
	onNothing = 0 // the waist, and what endpoints are
	policies  = 1 // strangers to each other
	doors     = 2 // what knows a transport
	presets   = 3 // what knows all policies
	mains     = 4 // what runs
	beside    = -1
)

const (
	backoff    = "github.com/cenkalti/backoff/v4"
	gobreaker  = "github.com/sony/gobreaker/v2"
	rate       = "golang.org/x/time"
	http2      = "golang.org/x/net/http2"
	grpc       = "google.golang.org/grpc"
	protobuf   = "google.golang.org/protobuf"
	genproto   = "google.golang.org/genproto/googleapis/rpc"
	prometheus = "github.com/prometheus"
	otel       = "go.opentelemetry.io/otel"
)

// places lists every package of the root module by its folder. One that ends in
// "/…" stands for all packages below it.
var places = map[string]place{
	".":                       {floor: onNothing, tests: []string{grpc, protobuf}},
	"discovery":               {floor: onNothing},
	"retry":                   {floor: policies, third: []string{backoff}},
	"breaker":                 {floor: policies, third: []string{gobreaker}},
	"timeout":                 {floor: policies},
	"hedge":                   {floor: policies, third: []string{rate}},
	"limit":                   {floor: policies, third: []string{rate}},
	"observe":                 {floor: policies},
	"observe/prometheus":      {floor: doors, third: []string{prometheus}, knows: []string{"observe"}}, // policies tell their state by holdfast.Measured
	"observe/otel":            {floor: doors, third: []string{otel}, tests: []string{grpc, protobuf}},  // spans of both doors
	"loadbalance":             {floor: policies},
	"interceptors":            {floor: doors, tests: []string{grpc, protobuf}},                                   // one list of policies at both doors
	"interceptors/httpclient": {floor: doors, tests: []string{http2}},                                            // servers that misbehave
	"interceptors/grpcclient": {floor: doors, third: []string{grpc, protobuf, genproto}, tests: []string{http2}}, // a server that refuses
	"interceptors/httpserver": {floor: doors},
	"interceptors/grpcserver": {floor: doors, third: []string{grpc, protobuf, genproto}},
	"preset":                  {floor: presets, third: []string{backoff}, tests: []string{grpc, prometheus}}, // gRPC's own parser, to compare with; what observers see of a Stack
	"examples/…":              {floor: mains, third: []string{grpc, protobuf, prometheus}},
	"holdfasttest":            {floor: beside, tests: []string{grpc, protobuf}},                  // real servers in bubbles
	"internal/verdicts":       {floor: beside, tests: []string{grpc, protobuf, genproto, http2}}, // asks the gRPC door, too
	"internal/rpccode":        {floor: beside, tests: []string{grpc}},                            // its numbers, to compare with
	"internal/…":              {floor: beside},
	"internal/scrape":         {floor: beside, third: []string{prometheus}}, // for tests of what is counted
}

// placeOf finds the place of a package by its folder.
func placeOf(dir string) (place, bool) {
	if p, ok := places[dir]; ok {
		return p, true
	}
	for at, p := range places {
		if under, ok := strings.CutSuffix(at, "/…"); ok && strings.HasPrefix(dir+"/", under+"/") {
			return p, true
		}
	}
	return place{}, false
}

// checkFloors returns a sentence for each import that goes up, sideways, or to a
// third party that the package has no leave for.
func checkFloors(files []*file) []string {
	var wrong []string
	for _, f := range files {
		from, known := placeOf(f.dir)
		if !known {
			wrong = append(wrong, fmt.Sprintf(
				"%s: folder %q stands on no floor; give it one in internal/arch/floors.go and in docs/design.md, with the reason why the toolkit is incomplete without it",
				f.path, f.dir))
			continue
		}
		for _, path := range f.imports() {
			if why := from.forbids(f, path); why != "" {
				wrong = append(wrong, fmt.Sprintf("%s imports %s: %s", f.path, path, why))
			}
		}
	}
	return wrong
}

// forbids tells why a file at this place may not import path, or "".
func (p place) forbids(f *file, path string) string {
	ours := path == module || strings.HasPrefix(path, module+"/")
	switch {
	case !ours && standard(path):
		return ""
	case !ours && (below(path, p.third) || f.test() && below(path, p.tests)):
		return ""
	case !ours:
		return "this package has no leave for that module; nobody may need it who does not use the package"
	}
	dir := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
	if dir == "" {
		dir = "."
	}
	if dir == f.dir {
		return "" // its own external test
	}
	to, known := placeOf(dir)
	switch {
	case !known:
		return "that folder stands on no floor (internal/arch/floors.go)"
	case strings.HasPrefix(f.dir, "internal/") && !f.external():
		if strings.HasPrefix(dir, "internal/") {
			return ""
		}
		return "internal packages stand on the standard library alone, so that every floor can use them"
	case dir == "internal/optiontest" || dir == "internal/scrape":
		if f.test() {
			return ""
		}
		return "that is for tests"
	case strings.HasPrefix(dir, "internal/"):
		return ""
	case f.dir == "holdfasttest" && !f.external():
		if dir == "." {
			return ""
		}
		return "holdfasttest stands on the root alone, so that every policy can be tested with it"
	case dir == "holdfasttest":
		if f.test() || p.floor == mains {
			return ""
		}
		return "holdfasttest is for tests"
	case p.floor == beside:
		return "" // an external test of what stands beside the house
	case f.external() && f.dir == ".":
		return "" // that the waist carries both transports is shown with both
	case p.knows != nil && to.floor == policies && !f.test() && !slices.Contains(p.knows, dir):
		return "this package goes by what policies tell of themselves, so that it knows one that somebody else writes as well as ours"
	case to.floor < p.floor:
		return ""
	case f.external() && to.floor == p.floor:
		return "" // what works together is tested together, from the outside
	case to.floor == p.floor:
		return "siblings never import each other; declare the one method that you need, at the consumer"
	}
	return "a package imports only lower floors"
}

// below reports whether path is one of the prefixes or beneath one.
func below(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool {
		return path == prefix || strings.HasPrefix(path, prefix+"/")
	})
}

// standard reports whether path is of the standard library: its first element
// has no dot.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}
