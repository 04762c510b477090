// Command stub is the Atlas that both operators of the benchmark talk to; see the package stub.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"atlas-endpoints.dev/benchmark/internal/stub"
)

func main() {
	address := flag.String("address", "127.0.0.1:0", "where to listen; port 0 takes a free one")
	latency := flag.Duration("latency", 20*time.Millisecond, "how long each call takes")
	flag.Parse()
	if err := serve(*address, *latency); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(address string, latency time.Duration) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Printf("Atlas stub: http://%s\n", listener.Addr())
	return http.Serve(listener, stub.Handler(latency))
}
