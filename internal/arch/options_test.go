package arch

import (
	"strings"
	"testing"
)

func TestOptionsSayWhatZeroAndNegativeMean(t *testing.T) {
	files := tree(t)
	if sets := optionSets(files); len(sets) < 20 {
		t.Errorf("%d sets of options found; this checks little", len(sets))
	}
	report(t, checkOptions(files))
}

func TestOptionsThatSayNothingAreSeen(t *testing.T) {
	const head = "package retry\n\ntype Options struct {\n"
	tested := fake(t, "retry/a_test.go", "package retry\n\nfunc f() { optiontest.Check(nil, Options.filled, nil) }\n")
	for name, c := range map[string]struct {
		src  string
		want string // part of the only complaint; empty: none
	}{
		"both":            {"\t// A is much: 0 means 3; negative: none.\n\tA int\n}\n", ""},
		"one for two":     {"\t// A and B are much: 0 and negative mean 3.\n\tA int\n\tB time.Duration\n}\n", ""},
		"no number":       {"\t// A is so.\n\tA bool\n}\n", ""},
		"negative alone":  {"\t// A is much; negative: none.\n\tA float64\n}\n", "Options.A does not say"},
		"zero alone":      {"\t// A is much: 0 means 10.\n\tA time.Duration\n}\n", "Options.A does not say"},
		"nothing":         {"\tA int64\n}\n", "Options.A does not say"},
		"a struct in it":  {"\tA *Other\n}\n\ntype Other struct { B int }\n", "Other.B does not say"},
		"another's":       {"}\n\ntype Result struct { B int }\n", ""},
		"what is filled":  {"}\n\ntype Wrapper struct { B int }\n\nfunc (w Wrapper) filled() Wrapper\n", "Wrapper.B does not say"},
		"untested ones":   {"}\n\n// BOptions …\ntype BOptions struct {\n\tA int // 0: 3, negative: none\n}\n", "no test of the package holds BOptions"},
		"not its own":     {"\tA int // 0: 3, negative: none\n\tb int\n}\n", ""},
		"a 10 is no zero": {"\tA int // 10 where it is negative\n}\n", "Options.A does not say"},
	} {
		wrong := checkOptions([]*file{fake(t, "retry/a.go", head+c.src), tested})
		got := strings.Join(wrong, "\n")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: complaint %q, want %q", name, got, c.want)
		}
	}
}
