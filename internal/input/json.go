package input

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxJSON is how many bytes Object reads at most.
const MaxJSON = 1 << 20

const maxDepth = 64

// Object reads one JSON object, whose keys are all different, within bounds: 1 MiB, and 64
// objects and lists within each other. Time and memory grow with its length alone. Numbers are
// json.Number.
func Object(text []byte) (map[string]any, error) {
	if len(text) > MaxJSON {
		return nil, fmt.Errorf("it has %d KiB: %d are the most", len(text)>>10, MaxJSON>>10)
	}
	if nested(text) {
		return nil, fmt.Errorf("objects and lists are nested more than %d deep", maxDepth)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var in map[string]any
	if err := decoder.Decode(&in); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the configuration: remove it")
	}
	if path := twice(json.NewDecoder(bytes.NewReader(text)), nil); path != nil {
		return nil, fmt.Errorf("%s: it is there twice: remove one", strings.ReplaceAll(strings.Join(path, "."), ".[]", "[]"))
	}
	return in, nil
}

// nested reports whether brackets are nested deeper than they may be. What is no JSON the
// decoder finds.
func nested(text []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// twice reads one value at a path, and returns the path of a key that an object in it has more
// than once.
func twice(decoder *json.Decoder, path []string) []string {
	token, _ := decoder.Token() // the text has been read before
	switch token {
	case json.Delim('['):
		path = append(path, "[]")
		for decoder.More() {
			if at := twice(decoder, path); at != nil {
				return at
			}
		}
	case json.Delim('{'):
		seen := map[string]bool{}
		path = append(path, "")
		for decoder.More() {
			token, _ := decoder.Token()
			key, _ := token.(string)
			path[len(path)-1] = Show(key)
			if seen[key] {
				return path
			}
			seen[key] = true
			if at := twice(decoder, path); at != nil {
				return at
			}
		}
	default:
		return nil
	}
	_, _ = decoder.Token() // what closes it
	return nil
}

// ShowJSON is Show for a value that Object has read: of objects and lists it says no more than
// that they are one.
func ShowJSON(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case string:
		return Show(v)
	case json.Number:
		return Show(string(v))
	case []any:
		if len(v) == 0 {
			return "[]"
		}
		return "[…]"
	case map[string]any:
		if len(v) == 0 {
			return "{}"
		}
		return "{…}"
	}
	return fmt.Sprint(value)
}
