// Publish writes one version of the root module, as it stands in git, into a
// module proxy made of files: publish REPO REF VERSION PROXYDIR.
package main

import (
	"encoding/json"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("publish: ")
	if len(os.Args) != 5 {
		log.Fatal("usage: publish REPO REF VERSION PROXYDIR")
	}
	if err := publish(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		log.Fatal(err)
	}
}

func publish(repo, ref, version, proxy string) error {
	gomod, err := git(repo, "show", ref+":go.mod")
	if err != nil {
		return err
	}
	mod, err := modfile.Parse("go.mod", []byte(gomod), nil)
	if err != nil {
		return err
	}
	for _, r := range mod.Replace {
		log.Fatalf("go.mod replaces %s, which no user gets", r.Old.Path)
	}
	m := module.Version{Path: mod.Module.Mod.Path, Version: version}
	if err := module.Check(m.Path, m.Version); err != nil {
		return err
	}
	committed, err := git(repo, "log", "-1", "--format=%cI", ref)
	if err != nil {
		return err
	}
	when, err := time.Parse(time.RFC3339, strings.TrimSpace(committed))
	if err != nil {
		return err
	}
	info, err := json.Marshal(map[string]any{"Version": version, "Time": when.UTC()})
	if err != nil {
		return err
	}

	dir := filepath.Join(proxy, filepath.FromSlash(m.Path), "@v") // no upper case in the path: nothing to escape
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"list": version + "\n", version + ".info": string(info), version + ".mod": gomod,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	f, err := os.Create(filepath.Join(dir, version+".zip"))
	if err != nil {
		return err
	}
	// Leaves out what the go command leaves out: nested modules, vendor.
	if err := zip.CreateFromVCS(f, m, repo, ref, ""); err != nil {
		return err
	}
	return f.Close()
}

func git(repo string, args ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"-C", repo}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	return string(out), err
}
