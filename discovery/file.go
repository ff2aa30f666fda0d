package discovery

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/option"
)

// File is a Resolver that reads a file, and again when it has changed: it looks
// every so often (0 and negative: 1 s). The file may be replaced, also through
// symbolic links, as kubernetes does with a ConfigMap. A file that is not there, or
// not right, is an error that names the line or the field.
//
// It is either lines, an address each, with fields after it and # before comments:
//
//	10.0.0.1:8080
//	10.0.0.2:8080 weight=3 zone=eu-1a priority=1 key=b  # a big one
//
// or JSON, a list of addresses or objects:
//
//	[{"addr": "10.0.0.1:8080", "weight": 3, "zone": "eu-1a", "priority": 1, "key": "b", "metadata": {"rack": "7"}}]
func File(path string, every time.Duration) Resolver {
	every = option.Of(every, time.Second, time.Second)
	return Poll(func(context.Context) ([]Endpoint, error) {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("discovery: %w", err)
		}
		endpoints, err := parseFile(text)
		if err != nil {
			return nil, fmt.Errorf("discovery: %s: %w", path, err)
		}
		return endpoints, nil
	}, PollOptions{Interval: every, MinInterval: min(every, time.Second), Name: "file " + path})
}

func parseFile(text []byte) ([]Endpoint, error) {
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && (trimmed[0] == '[' || trimmed[0] == '{') {
		return parseJSON(trimmed)
	}
	var endpoints []Endpoint
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		e := Endpoint{Addr: fields[0]}
		for _, f := range fields[1:] {
			if err := set(&e, f); err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
		}
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		endpoints = append(endpoints, e)
	}
	return endpoints, lines.Err()
}

// set reads "weight=3" into e.
func set(e *Endpoint, field string) (err error) {
	name, value, ok := strings.Cut(field, "=")
	switch {
	case !ok:
		return fmt.Errorf("%q is no field: write name=value", field)
	case name == "weight":
		e.Weight, err = strconv.Atoi(value)
	case name == "priority":
		e.Priority, err = strconv.Atoi(value)
	case name == "zone":
		e.Zone = value
	case name == "key":
		e.Key = value
	default:
		return fmt.Errorf("%q is no field: use weight, zone, priority or key", name)
	}
	if err != nil {
		return fmt.Errorf("%s: %q is no number", name, value)
	}
	return nil
}

func (e Endpoint) check() error {
	switch {
	case e.Addr == "":
		return fmt.Errorf(`addr: it must be there: write "10.0.0.1:8080"`)
	case e.Priority < 0:
		return fmt.Errorf("priority: %d is below 0, which is the first", e.Priority)
	}
	return nil
}

// fileEndpoint is an Endpoint in JSON: an object, or an address alone.
type fileEndpoint struct{ Endpoint }

// UnmarshalJSON reads either.
func (f *fileEndpoint) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		return json.Unmarshal(text, &f.Addr)
	}
	in := struct {
		Addr     string            `json:"addr"`
		Weight   int               `json:"weight"`
		Zone     string            `json:"zone"`
		Priority int               `json:"priority"`
		Key      string            `json:"key"`
		Metadata map[string]string `json:"metadata"`
	}{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(&in)
	f.Endpoint = Endpoint{in.Addr, in.Weight, in.Zone, in.Priority, in.Key, in.Metadata}
	return err
}

func parseJSON(text []byte) ([]Endpoint, error) {
	var list []fileEndpoint
	if text[0] == '{' {
		in := struct {
			Endpoints *[]fileEndpoint `json:"endpoints"`
		}{&list}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil {
			return nil, err
		}
	} else if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	var endpoints []Endpoint
	for i, f := range list {
		if err := f.check(); err != nil {
			return nil, fmt.Errorf("[%d].%w", i, err)
		}
		endpoints = append(endpoints, f.Endpoint)
	}
	return endpoints, nil
}
