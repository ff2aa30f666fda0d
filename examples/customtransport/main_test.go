package main

import "os"

// Half of the requests find one of two servers gone, and all are answered.
func Example() {
	if err := run(os.Stdout, 20); err != nil {
		panic(err)
	}
	// Output: map[server 1 has a book:5 server 2 has a book:15]
}
