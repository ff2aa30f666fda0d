package main

import "testing"

// What the metrics say of the process as a whole is no client's.
func TestAReadingIsOfAClient(t *testing.T) {
	m, err := newMeter()
	if err != nil {
		t.Fatal(err)
	}
	if of, err := m.read(); err != nil || len(of) != 0 {
		t.Errorf("before there is a client: %v, %v", of, err)
	}
	if _, err := newHoldfast([]string{"127.0.0.1:1"}, 1, m); err != nil {
		t.Fatal(err)
	}
	of, err := m.read()
	for client := range of {
		if client != "http holdfast" {
			t.Errorf("a reading of %q", client)
		}
	}
	if err != nil {
		t.Error(err)
	}
}
