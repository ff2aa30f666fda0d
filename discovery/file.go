package discovery

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/input"
	"github.com/holdfast-go/holdfast/internal/option"
)

// File is a Resolver that reads a file, and again when it has changed: it looks
// every so often (0 and negative: 1 s). The file may be replaced, also through
// symbolic links, as kubernetes does with a ConfigMap. A file that is not there, or
// not right, is an error that names the line or the field; so is what is no regular
// file (a FIFO, a device, a directory), one of more than 4 MiB or of more than 100,000
// addresses, and what has a control character or more than 4,096 bytes, an address, say.
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
		text, err := input.File(path, maxFile)
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

const (
	maxFile      = 4 << 20
	maxEndpoints = 100_000
	maxText      = 4096 // of an address, a key, or what else is said of an endpoint
)

var errMany = fmt.Errorf("there are more than %d addresses", maxEndpoints)

func parseFile(text []byte) ([]Endpoint, error) {
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && (trimmed[0] == '[' || trimmed[0] == '{') {
		return parseJSON(trimmed)
	}
	var endpoints []Endpoint
	lines := bufio.NewScanner(bytes.NewReader(text))
	n := 1
	for ; lines.Scan(); n++ {
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
		if len(endpoints) == maxEndpoints {
			return nil, errMany
		}
		endpoints = append(endpoints, e)
	}
	if lines.Err() != nil {
		return nil, fmt.Errorf("line %d: %w", n, lines.Err())
	}
	return endpoints, nil
}

// set reads "weight=3" into e.
func set(e *Endpoint, field string) (err error) {
	name, value, ok := strings.Cut(field, "=")
	switch {
	case !ok:
		return fmt.Errorf("%s is no field: write name=value", input.Show(field))
	case name == "weight":
		e.Weight, err = strconv.Atoi(value)
	case name == "priority":
		e.Priority, err = strconv.Atoi(value)
	case name == "zone":
		e.Zone = value
	case name == "key":
		e.Key = value
	default:
		return fmt.Errorf("%s is no field: use weight, zone, priority or key", input.Show(name))
	}
	if err != nil {
		return fmt.Errorf("%s: %s is no number", name, input.Show(value))
	}
	return nil
}

func (e Endpoint) check() error {
	if err := input.Address(e.Addr); err != nil {
		return fmt.Errorf("addr: %w", err)
	}
	if !input.Printable(e.Zone) || !input.Printable(e.Key) {
		return errors.New("zone, key: one has a control character: remove it")
	}
	long := max(len(e.Addr), len(e.Zone), len(e.Key)) > maxText
	for name, value := range e.Metadata {
		if !input.Printable(name) || !input.Printable(value) {
			return fmt.Errorf("metadata: %s has a control character: remove it", input.Show(name))
		}
		long = long || len(name) > maxText || len(value) > maxText
	}
	if long {
		return fmt.Errorf("addr, zone, key, metadata: one is longer than %d bytes: shorten it", maxText)
	}
	if e.Priority < 0 {
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
	err := strictly(text, &in)
	f.Endpoint = Endpoint{in.Addr, in.Weight, in.Zone, in.Priority, in.Key, in.Metadata}
	return err
}

// fileList is a list of them.
type fileList []Endpoint

// UnmarshalJSON reads one after the other, and no more than there may be.
func (l *fileList) UnmarshalJSON(text []byte) error {
	if *l != nil {
		return errors.New("the endpoints are there twice: remove one of the lists")
	}
	*l = fileList{}
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('[') {
		return errors.New("the endpoints are no list: write […]")
	}
	for d.More() {
		if len(*l) == maxEndpoints {
			return errMany
		}
		var f fileEndpoint
		err := d.Decode(&f)
		if err == nil {
			err = f.check()
		}
		if err != nil {
			return fmt.Errorf("[%d].%w", len(*l), err)
		}
		*l = append(*l, f.Endpoint)
	}
	return nil
}

func parseJSON(text []byte) ([]Endpoint, error) {
	var list fileList
	if text[0] == '[' {
		err := strictly(text, &list)
		return list, err
	}
	in := struct {
		Endpoints *fileList `json:"endpoints"`
	}{&list}
	err := strictly(text, &in)
	return list, err
}

// strictly reads one value, which has no fields but those of to.
func strictly(text []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return input.Brief(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the endpoints: remove it")
	}
	return nil
}
