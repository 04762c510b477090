// Command peer is an operator as it is usually written in Go: a typed client, controller-runtime's defaults, and one
// reconcile function that reads, compares, writes and reports. The benchmark measures atlas-endpoints against it.
package main

import (
	"errors"
	"flag"
	"net/http"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"atlas-endpoints.dev/benchmark/api/v1alpha1"
	"atlas-endpoints.dev/benchmark/internal/atlas"
	"atlas-endpoints.dev/benchmark/internal/controller"
)

const tokenVariable = "ATLAS_TOKEN"

func main() {
	var (
		atlasURL   = flag.String("atlas-url", "https://cloud.mongodb.com", "address of the Atlas Admin API")
		selector   = flag.String("label-selector", "", "serve only resources with these labels")
		interval   = flag.Duration("sync-interval", 10*time.Minute, "how often a settled endpoint is compared with Atlas")
		concurrent = flag.Int("max-concurrent-reconciles", 1, "how many resources are worked on at once")
		metrics    = flag.String("metrics-bind-address", ":8080", "where metrics are served")
		probes     = flag.String("health-probe-bind-address", ":8081", "where /healthz and /readyz are served")
	)
	logging := zap.Options{}
	logging.BindFlags(flag.CommandLine)
	flag.Parse()
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&logging)))

	if err := run(*atlasURL, *selector, *interval, *concurrent, *metrics, *probes); err != nil {
		ctrl.Log.Error(err, "The operator ends")
		os.Exit(1)
	}
}

func run(atlasURL, selector string, interval time.Duration, concurrent int, metrics, probes string) error {
	scheme := runtime.NewScheme()
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	served, err := labels.Parse(selector)
	if err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	config.QPS = -1 // no limit

	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme,
		Cache: cache.Options{
			ByObject:         map[client.Object]cache.ByObject{&v1alpha1.ServerlessPrivateEndpoint{}: {Label: served}},
			DefaultTransform: cache.TransformStripManagedFields(),
		},
		Metrics:                metricsserver.Options{BindAddress: metrics},
		HealthProbeBindAddress: probes,
	})
	if err != nil {
		return err
	}
	reconciler := &controller.Reconciler{
		Client:       mgr.GetClient(),
		Atlas:        atlas.NewClient(atlasURL, os.Getenv(tokenVariable), concurrent),
		SyncInterval: interval,
	}
	if err := reconciler.SetupWithManager(mgr, concurrent); err != nil {
		return err
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	if err := mgr.AddReadyzCheck("cache", cacheSynced(mgr.GetCache())); err != nil {
		return err
	}
	return mgr.Start(ctrl.SetupSignalHandler())
}

// cacheSynced checks that all resources are known.
func cacheSynced(informers cache.Informers) healthz.Checker {
	return func(request *http.Request) error {
		informer, err := informers.GetInformer(
			request.Context(), &v1alpha1.ServerlessPrivateEndpoint{}, cache.BlockUntilSynced(false))
		if err != nil {
			return err
		}
		if !informer.HasSynced() {
			return errors.New("the resources have not been listed yet")
		}
		return nil
	}
}
