// The site over HTTP: a peer's facts for its site (open), and control, wishes, ledger and the whole view for administrators.
import type { FastifyInstance } from 'fastify';
import { type CatalogueImage, findImage } from '../api/catalogue.ts';
import { ROUTES } from '../api/routes.ts';
import { ControlChange, EvictRequest, PreseedRequest } from '../api/site.ts';
import { PeerbootError } from '../base/errors.ts';
import { DEFAULT_REPLICAS } from '../swarm/replicas.ts';
import type { ControlService } from './control.ts';
import { checked } from './http-errors.ts';
import type { WanLedger } from './ledger.ts';
import type { SiteViews } from './site-view.ts';

/** What the routes need of the site's services. */
export interface SiteForHttp {
  readonly views: SiteViews;
  readonly control: ControlService;
  readonly ledger: WanLedger;
  /** Images and packages of the catalogue in force. */
  readonly content: () => readonly CatalogueImage[];
  /** Gives up what is held of the image; rejects with PB-LAST-COPY when it is the only whole one and `lastCopy` is false. */
  readonly evict: (image: CatalogueImage, lastCopy: boolean) => Promise<{ readonly freedBytes: number }>;
}

export function siteFactRoutes(app: FastifyInstance, { views }: SiteForHttp): void {
  app.get(ROUTES.siteLines, (_request, reply) =>
    reply.header('cache-control', 'no-store').send(views.facts()),
  );
}

/** To be registered in the scope that the guard of administration watches. */
export function siteAdminRoutes(app: FastifyInstance, site: SiteForHttp): void {
  const { control, ledger, views } = site;

  app.get(ROUTES.site, () => views.view());

  app.get(ROUTES.control, () => control.told().control);

  app.put(ROUTES.control, (request) => {
    const change = checked(ControlChange, request.body);
    if ((change.kind === 'pause' || change.kind === 'priority') && change.image !== undefined) {
      known(site, change.image);
    }
    return control.change(change);
  });

  app.post(ROUTES.preseed, (request) => {
    const { image, replicas } = checked(PreseedRequest, request.body);
    known(site, image);
    return control.wish(image, replicas ?? DEFAULT_REPLICAS);
  });

  app.delete<{ Params: { image: string } }>(`${ROUTES.preseed}/:image`, (request, reply) => {
    const { image } = request.params;
    if (control.unwish(image)) return reply.code(204).send();
    throw new PeerbootError('PB-HTTP-NOT-FOUND', `nobody asked to hold ${JSON.stringify(image)}`);
  });

  app.post(ROUTES.evict, (request) => {
    const { image, lastCopy } = checked(EvictRequest, request.body);
    return site.evict(known(site, image), lastCopy ?? false);
  });

  app.get(ROUTES.ledger, () => ({ rows: ledger.rows() }));
}

/** A slip of the pen shall be told now. */
function known({ content }: SiteForHttp, reference: string): CatalogueImage {
  const image = findImage(content(), reference);
  if (image !== undefined) return image;
  throw new PeerbootError('PB-IMAGE-UNKNOWN', `the catalogue has no ${reference}`);
}
