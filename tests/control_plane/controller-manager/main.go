// Command kube-controller-manager is Kubernetes' own, exactly as its project ships it. It is a binary of its own
// because the demo and most tests do without it; the packages that it shares with the other binary are compiled once.
package main

import (
	"os"
	_ "time/tzdata" // CronJobs name time zones, and the machine may have no database of them

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // registers --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // registers the client metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // registers the version metric
	"k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	os.Exit(cli.Run(app.NewControllerManagerCommand()))
}
