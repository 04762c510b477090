// Package controller keeps Atlas as the resources want it.
package controller

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"atlas-endpoints.dev/benchmark/api/v1alpha1"
	"atlas-endpoints.dev/benchmark/internal/atlas"
)

const (
	pollInterval = 5 * time.Second // while Atlas works on an endpoint
	jitter       = 0.2             // of the resync, so that resources do not fall into step
)

// Reconciler reconciles ServerlessPrivateEndpoints.
type Reconciler struct {
	client.Client
	Atlas        *atlas.Client
	SyncInterval time.Duration
}

// SetupWithManager has the reconciler called for new resources and for new generations of them.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, maxConcurrentReconciles int) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.ServerlessPrivateEndpoint{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: maxConcurrentReconciles}).
		Complete(r)
}

// Reconcile compares one endpoint with its resource, changes it where it differs, and says so in the status.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	resource := new(v1alpha1.ServerlessPrivateEndpoint)
	if err := r.Get(ctx, request.NamespacedName, resource); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !resource.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}

	before := resource.DeepCopy()
	endpoint, atlasErr := r.converge(ctx, resource.Spec)
	describe(resource, endpoint, atlasErr)
	if !equality.Semantic.DeepEqual(before.Status, resource.Status) {
		patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
		if err := r.Status().Patch(ctx, resource, patch); err != nil {
			return ctrl.Result{}, client.IgnoreNotFound(err)
		}
		log.FromContext(ctx).Info("Wrote the status", "observedGeneration", resource.Status.ObservedGeneration)
	}

	switch {
	case atlasErr != nil:
		return ctrl.Result{}, atlasErr
	case endpoint.Status != available:
		return ctrl.Result{RequeueAfter: pollInterval}, nil
	default:
		return ctrl.Result{RequeueAfter: wait.Jitter(r.SyncInterval*9/10, jitter)}, nil
	}
}

// converge returns the endpoint as it is after what differed has been changed.
func (r *Reconciler) converge(ctx context.Context, spec v1alpha1.ServerlessPrivateEndpointSpec) (*atlas.Endpoint, error) {
	at := atlas.Location{ProjectID: spec.ProjectID, InstanceName: spec.InstanceName, EndpointID: spec.EndpointID}
	endpoint, err := r.Atlas.Get(ctx, at)
	if err != nil {
		return nil, err
	}
	update, differs := difference(spec, endpoint)
	if !differs {
		return endpoint, nil
	}
	return r.Atlas.Update(ctx, at, update)
}

// difference returns what has to be sent to Atlas, and whether anything has.
func difference(spec v1alpha1.ServerlessPrivateEndpointSpec, endpoint *atlas.Endpoint) (atlas.Update, bool) {
	update := atlas.Update{ProviderName: spec.ProviderName}
	differs := false
	for _, field := range []struct {
		desired *string
		actual  string
		send    **string
	}{
		{spec.CloudProviderEndpointID, endpoint.CloudProviderEndpointID, &update.CloudProviderEndpointID},
		{spec.PrivateEndpointIPAddress, endpoint.PrivateEndpointIPAddress, &update.PrivateEndpointIPAddress},
		{spec.Comment, endpoint.Comment, &update.Comment},
	} {
		if field.desired != nil && *field.desired != field.actual {
			*field.send = field.desired
			differs = true
		}
	}
	return update, differs
}
